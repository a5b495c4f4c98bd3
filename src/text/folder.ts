/**
 * The tokenizer of a model folder, in whichever files it has: tokenizer.json, or what GPT-2 (vocab.json and merges.txt) and BERT (vocab.txt) were first
 * published with.
 */
import { exists, joinPath, readText } from "#platform";
import { isObject, parseJson } from "../formats/json.ts";
import { UserError } from "../platform/errors.ts";
import { withoutMark } from "../platform/utf8.ts";
import { byteLevelFile } from "./bpe.ts";
import { specialToken } from "./format.ts";
import { END_OF_TEXT, type Tokenizer } from "./interface.ts";
import { loadTokenizer, parseTokenizer } from "./tokenizer.ts";
import { wordPieceFromVocabulary } from "./wordpiece.ts";

/** The folder's tokenizer, or undefined where it has none. A byte order mark at the beginning of a file is passed over. UserError for damaged files. */
export async function loadFolderTokenizer(folder: string): Promise<Tokenizer | undefined> {
  const path = (name: string): string => joinPath(folder, name);
  const text = async (name: string): Promise<string> => withoutMark(await readText(path(name)));
  const json = async (name: string): Promise<unknown> => parseJson(await text(name), path(name));
  if (await exists(path("tokenizer.json"))) return loadTokenizer(path("tokenizer.json"));
  if ((await exists(path("vocab.json"))) && (await exists(path("merges.txt")))) {
    return parseTokenizer(bpeFromFiles(await json("vocab.json"), await text("merges.txt"), path("merges.txt")), folder);
  }
  if (!(await exists(path("vocab.txt")))) return undefined;
  const settings = (await exists(path("tokenizer_config.json"))) ? await json("tokenizer_config.json") : {};
  const lowercase = !isObject(settings) || settings["do_lower_case"] !== false;
  return parseTokenizer(wordPieceFromVocabulary(await text("vocab.txt"), lowercase), folder);
}

/** The tokenizer.json of GPT-2's two files: tokens with ids, and merges, a pair a line after a line that says the version. */
function bpeFromFiles(vocabulary: unknown, merges: string, where: string): unknown {
  const lines = merges.split(/\r?\n/).filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
  const pairs = lines.map((line) => line.split(" "));
  const odd = pairs.find((pair) => pair.length !== 2);
  if (odd) throw new UserError(`${where}: ${JSON.stringify(odd.join(" "))} is no pair of tokens with a space between`);
  const end = isObject(vocabulary) ? vocabulary[END_OF_TEXT] : undefined;
  return byteLevelFile(vocabulary, pairs, typeof end === "number" ? [specialToken(END_OF_TEXT, end)] : []);
}
