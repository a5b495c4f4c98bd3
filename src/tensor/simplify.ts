/**
 * Rewrites a program into an equal one with fewer nodes: aliases vanish, equal nodes become one (the gradient rules trace the same
 * subexpressions again), and operations on scalar constants are done now. Further folding is left to the runtime, which has the kernels.
 */
import { Tensor, topologicalOrder, type Data, type Node, type Program } from "./program.ts";

export function simplify(program: Program): Program {
  const replaced = new Map<Node, readonly Tensor[]>();
  const known = new Map<string, Node>();
  const numbers = new Map<Node, number>();
  const find = (tensor: Tensor): Tensor => replaced.get(tensor.node)![tensor.index]!;
  for (const node of topologicalOrder(Object.values(program.outputs))) {
    if (node.op === "Alias") {
      replaced.set(node, [find(node.inputs[0]!)]);
      continue;
    }
    const inputs = node.inputs.map(find);
    const folded = foldScalars(node, inputs) ?? identity(node, inputs);
    if (folded) {
      replaced.set(node, [folded instanceof Tensor ? folded : intern(folded)]);
      continue;
    }
    replaced.set(
      node,
      node.outputs.map((_, index) => new Tensor(internNode({ ...node, inputs, gradient: undefined }), index)),
    );
  }

  function intern(node: Node): Tensor {
    return new Tensor(internNode(node), 0);
  }
  function internNode(node: Node): Node {
    const key = keyOf(node, numbers);
    if (key === undefined) return node;
    const same = known.get(key);
    if (same) return same;
    known.set(key, node);
    return node;
  }
  return {
    inputs: program.inputs,
    outputs: Object.fromEntries(Object.entries(program.outputs).map(([name, tensor]) => [name, find(tensor)])),
  };
}

const numberOf = (node: Node, numbers: Map<Node, number>): number => {
  if (!numbers.has(node)) numbers.set(node, numbers.size);
  return numbers.get(node)!;
};

/** Text that two nodes share exactly when they compute the same; undefined for nodes that are never merged. */
function keyOf(node: Node, numbers: Map<Node, number>): string | undefined {
  const shape = JSON.stringify(node.outputs);
  if (node.op === "Input") return `Input ${node.name}`;
  if (node.op === "Constant")
    return node.data!.length > 4096 ? `Constant ${shape} ${hash(node.data!)}` : `Constant ${shape} ${node.data!.join()}`;
  const inputs = node.inputs.map((input) => `${numberOf(input.node, numbers)}:${input.index}`).join();
  return `${node.domain}.${node.op}(${inputs}) ${JSON.stringify(node.attributes)} ${shape}`;
}

/** FNV-1a over two lanes of the bytes: large constants are compared by 64 bits of digest and their length. */
function hash(data: Data): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let [a, b] = [0x811c9dc5, 0x01234567];
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x01000197) + (a >>> 15);
  }
  return `${bytes.length}:${a >>> 0}:${b >>> 0}`;
}

const scalarFunctions: Record<string, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

const scalarValue = (tensor: Tensor): number | undefined =>
  tensor.node.op === "Constant" && tensor.dtype === "float32" && tensor.node.data!.length === 1 ? Number(tensor.node.data![0]) : undefined;

/** The result of an arithmetic node on two scalar constants. */
function foldScalars(node: Node, inputs: readonly Tensor[]): Node | undefined {
  const compute = scalarFunctions[node.op];
  if (!compute || node.outputs[0]!.shape.length > 0) return undefined;
  const [a, b] = inputs.map(scalarValue);
  if (a === undefined || b === undefined) return undefined;
  return { op: "Constant", domain: "", inputs: [], attributes: {}, outputs: node.outputs, data: Float32Array.of(compute(a, b)) };
}

/** x·1, x/1, x+0, x−0, where the shape stays. */
function identity(node: Node, inputs: readonly Tensor[]): Tensor | undefined {
  if (!(node.op in scalarFunctions)) return undefined;
  const neutral = node.op === "Mul" || node.op === "Div" ? 1 : 0;
  const keeps = (tensor: Tensor): boolean => JSON.stringify(tensor.shape) === JSON.stringify(node.outputs[0]!.shape);
  if (allEqual(inputs[1]!, neutral) && keeps(inputs[0]!)) return inputs[0];
  if ((node.op === "Mul" || node.op === "Add") && allEqual(inputs[0]!, neutral) && keeps(inputs[1]!)) return inputs[1];
  return undefined;
}

const allEqual = (tensor: Tensor, value: number): boolean =>
  tensor.node.op === "Constant" && tensor.dtype === "float32" && (tensor.node.data as Float32Array).every((x) => x === value);
