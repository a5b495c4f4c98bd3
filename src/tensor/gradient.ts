/** Reverse-mode differentiation: the backward pass of a traced program, written as ordinary operations beside it. */
import { add } from "./operations/elementwise.ts";
import { nothing, scatterPicked } from "./operations/select.ts";
import { show, sizeOf, topologicalOrder, TraceError, zeros, ones, type Node, type Tensor } from "./program.ts";

/** ∂loss/∂x for every x of `parameters`, in their order; `loss` is a float32 tensor of one element. */
export function gradient(loss: Tensor, parameters: readonly Tensor[]): Tensor[] {
  if (sizeOf(loss.shape) !== 1 || loss.dtype !== "float32") {
    throw new TraceError(`gradient: the loss must be one float32 number, got ${loss.dtype} ${show(loss.shape)}`);
  }
  const order = topologicalOrder([loss]);
  const needed = dependents(order, parameters);
  const adjoints = new Map<Node, (Tensor[] | undefined)[]>();
  const contribute = (tensor: Tensor, adjoint: Tensor): void => {
    const slots = adjoints.get(tensor.node) ?? [];
    (slots[tensor.index] ??= []).push(adjoint);
    adjoints.set(tensor.node, slots);
  };
  contribute(loss, ones(loss.shape));
  for (const node of order.reverse()) {
    const slots = adjoints.get(node);
    if (!slots || !needed.has(node) || node.inputs.length === 0) continue;
    if (!node.gradient) throw new TraceError(`gradient: ${node.op} is not differentiable; its output is ${show(node.outputs[0]!.shape)}`);
    const outputs = node.outputs.map((_, i) => (slots[i] ? total(slots[i]) : undefined));
    node.gradient(outputs).forEach((adjoint, i) => {
      const input = node.inputs[i]!;
      if (adjoint && needed.has(input.node)) contribute(input, adjoint);
    });
  }
  return parameters.map((parameter) => {
    const slot = adjoints.get(parameter.node)?.[parameter.index];
    return slot ? total(slot) : zeros(parameter.shape);
  });
}

/** The nodes through which the loss depends on a parameter: only they need adjoints. */
function dependents(order: readonly Node[], parameters: readonly Tensor[]): Set<Node> {
  const needed = new Set(parameters.map((parameter) => parameter.node));
  for (const node of order) if (node.inputs.some((input) => needed.has(input.node))) needed.add(node);
  return needed;
}

/** Sum of adjoints. Values scattered into zeros are scattered into the sum of the others instead (see scatterPicked). */
function total(parts: readonly Tensor[]): Tensor {
  const scattered = parts.filter((part) => part.node.op === "ScatterElements" && part.node.inputs[0] === nothing);
  const dense = parts.filter((part) => !scattered.includes(part));
  const shape = parts[0]!.shape;
  let sum = dense.length > 0 ? dense.reduce((a, b) => add(a, b)) : undefined;
  if (scattered.length > 0) sum ??= zeros(shape);
  for (const part of scattered) sum = scatterPicked(sum!, shape, part.node.inputs[1]!, part.node.inputs[2]!);
  return sum!;
}
