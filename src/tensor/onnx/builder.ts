/** Writes a traced program as an ONNX model. */
import { create, toBinary } from "@bufbuild/protobuf";
import { simplify } from "../simplify.ts";
import {
  sizeOf,
  topologicalOrder,
  type Attribute,
  type Data,
  type DType,
  type Node,
  type Program,
  type Spec,
  type Tensor,
} from "../program.ts";
import { lowerFusedMatMul, lowerLogSumExp, lowerScatterRows } from "./lower.ts";
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type ValueInfoProto,
} from "./onnx_pb.ts";

/** Opset 23 is the first with RotaryEmbedding; IR version 11 goes with it. */
const OPSET = 23;
const IR_VERSION = 11;

const dataTypes: Record<DType, DataType> = { float32: DataType.FLOAT, int32: DataType.INT32, int64: DataType.INT64, bool: DataType.BOOL };

export interface OnnxOptions {
  /** For any runtime: only operators of the ONNX standard, none that overflows where its result would not. Otherwise the native runtime's own are used. */
  readonly standard?: boolean;
  /** Inputs whose values are written into the file, by name; the others stay inputs. */
  readonly constants?: Readonly<Record<string, Data>>;
}

/** The bytes of an `.onnx` file. */
export function toOnnx(program: Program, { standard = false, constants = {} }: OnnxOptions = {}): Uint8Array {
  const lowered = simplify(lowerScatterRows(standard ? lowerLogSumExp(lowerFusedMatMul(program)) : program));
  const names = new Map<Node, string>();
  const own = [...Object.keys(lowered.inputs), ...Object.keys(lowered.outputs)];
  let prefix = "v";
  while (own.some((name) => name.startsWith(prefix))) prefix += "_";
  const nameOf = (tensor: Tensor): string => {
    const { node } = tensor;
    if (node.op === "Input") return node.name!;
    if (!names.has(node)) names.set(node, `${prefix}${names.size}`);
    return node.outputs.length === 1 ? names.get(node)! : `${names.get(node)}.${tensor.index}`;
  };
  const nodes = topologicalOrder(Object.values(lowered.outputs));
  const operations = nodes.filter((node) => node.op !== "Input" && node.op !== "Constant");
  const inputs = Object.entries(lowered.inputs);
  const outputs = Object.entries(lowered.outputs);
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(IR_VERSION),
      producerName: "sedd",
      opsetImport: [
        { domain: "", version: BigInt(OPSET) },
        ...(operations.some((node) => node.domain !== "") ? [{ domain: "com.microsoft", version: 1n }] : []),
      ],
      graph: {
        name: "program",
        input: inputs.filter(([name]) => !constants[name]).map(([name, tensor]) => valueInfo(name, tensor)),
        output: outputs.map(([name, tensor]) => valueInfo(name, tensor)),
        initializer: [
          ...inputs.filter(([name]) => constants[name]).map(([name, tensor]) => tensorProto(name, tensor, constants[name]!)),
          ...nodes
            .filter((node) => node.op === "Constant")
            .map((node) => tensorProto(nameOf({ node, index: 0 } as Tensor), node.outputs[0]!, node.data!)),
        ],
        node: [
          ...operations.map((node) =>
            create(NodeProtoSchema, {
              opType: node.op,
              domain: node.domain,
              name: `${node.op}_${names.size}`,
              input: node.inputs.map(nameOf),
              output: node.outputs.map((_, index) => nameOf({ node, index } as Tensor)),
              attribute: Object.entries(node.attributes).map(([name, value]) => attribute(name, value)),
            }),
          ),
          // Program outputs have names of their own; the runtime drops the copy.
          ...outputs.map(([name, tensor]) =>
            create(NodeProtoSchema, { opType: "Identity", name: `output_${name}`, input: [nameOf(tensor)], output: [name] }),
          ),
        ],
      },
    }),
  );
}

function valueInfo(name: string, { dtype, shape }: Spec): ValueInfoProto {
  const dim = shape.map((extent) => ({ dimValue: BigInt(extent) }));
  return create(ValueInfoProtoSchema, { name, type: { tensorType: { elemType: dataTypes[dtype], shape: { dim } } } });
}

function tensorProto(name: string, { dtype, shape }: Spec, data: Data) {
  if (data.length !== sizeOf(shape)) throw new Error(`constant ${name}: ${data.length} values for ${shape.join("×")}`);
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: dataTypes[dtype], rawData });
}

function attribute(name: string, value: Attribute): AttributeProto {
  if ("int" in value) return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value.int) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  if ("ints" in value) return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.ints.map(BigInt) });
  return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new TextEncoder().encode(value.text) });
}
