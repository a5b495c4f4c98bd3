/** Rewrites of operations that ONNX, or only the ONNX standard, does not know, or that a runtime may compute badly. */
import { add, exp, log, mul, sub } from "../operations/elementwise.ts";
import { matmul } from "../operations/matrix.ts";
import { reduceSum } from "../operations/reduce.ts";
import { transpose } from "../operations/shape.ts";
import { apply, constant, Tensor, topologicalOrder, type Node, type Program } from "../program.ts";

/** Replaces nodes by what `rewrite` returns for them (one output), bottom up. */
function rewriteNodes(program: Program, rewrite: (node: Node, inputs: readonly Tensor[]) => Tensor | undefined): Program {
  const replaced = new Map<Node, (index: number) => Tensor>();
  const find = (tensor: Tensor): Tensor => replaced.get(tensor.node)!(tensor.index);
  for (const node of topologicalOrder(Object.values(program.outputs))) {
    const inputs = node.inputs.map(find);
    const other = rewrite(node, inputs);
    const copy = node.inputs.length === 0 ? node : { ...node, inputs };
    replaced.set(node, (index) => other ?? new Tensor(copy, index));
  }
  return {
    inputs: program.inputs,
    outputs: Object.fromEntries(Object.entries(program.outputs).map(([name, tensor]) => [name, find(tensor)])),
  };
}

/** ScatterRows as onehot(indices)ᵀ · rows: exact, and deterministic on any number of threads. */
export function lowerScatterRows(program: Program): Program {
  return rewriteNodes(program, (node, inputs) => {
    if (node.op !== "ScatterRows") return undefined;
    const [indices, rows] = inputs as [Tensor, Tensor];
    const { shape } = node.outputs[0]!;
    const depth = constant(Int32Array.of(shape[0]!), []);
    const values = constant(Float32Array.of(0, 1), [2]);
    const onehot = apply("OneHot", [indices, depth, values], { dtype: "float32", shape: [indices.shape[0]!, shape[0]!] });
    return matmul(onehot, rows, { transposeA: true });
  });
}

/** FusedMatMul as Transpose, MatMul and Mul. */
export function lowerFusedMatMul(program: Program): Program {
  return rewriteNodes(lowerScatterRows(program), (node, inputs) => {
    if (node.op !== "FusedMatMul") return undefined;
    const flag = (name: string): boolean => "int" in node.attributes[name]! && (node.attributes[name] as { int: number }).int === 1;
    const turn = (tensor: Tensor, yes: boolean): Tensor => {
      if (!yes) return tensor;
      const axes = tensor.shape.map((_, i) => i);
      return transpose(tensor, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
    };
    const product = matmul(turn(inputs[0]!, flag("transA")), turn(inputs[1]!, flag("transB")));
    return mul(product, (node.attributes["alpha"] as { float: number }).float);
  });
}

/**
 * ReduceLogSumExp over the last axis as m + log Σ exp(x − m), m the maximum. The standard says nothing of range, and the WebGPU build's kernel sums exp(x) as it is:
 * infinite for a logit above 88.7, minus infinity where all lie below −104.
 */
export function lowerLogSumExp(program: Program): Program {
  return rewriteNodes(program, (node, inputs) => {
    if (node.op !== "ReduceLogSumExp") return undefined;
    const [x, axes] = inputs as [Tensor, Tensor];
    const most = apply("ReduceMax", [x, axes], node.outputs[0]!, undefined, node.attributes);
    return add(log(reduceSum(exp(sub(x, most)), [x.rank - 1])), most);
  });
}
