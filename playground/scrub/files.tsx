/** Opening and saving recorded runs. */
import { formatTrajectory, parseTrajectory, type Trajectory } from "sedd";
import { useRef, useState } from "preact/hooks";
import { messageOf } from "../message.ts";
import { openModel } from "../session/model.ts";
import { run, showRun } from "../session/run.ts";
import { runOf } from "./recording.ts";

async function open(file: File): Promise<void> {
  const trajectory = parseTrajectory(await file.text(), file.name);
  const { model, graph } = trajectory.run;
  const backend = await openModel();
  const { card } = backend;
  if (graph.vocabularySize !== card.vocabularySize || graph.kind !== card.graph)
    throw new Error(
      `${file.name} was written by ${model} (${graph.vocabularySize} tokens, ${graph.kind}), not by ${card.name}; choose the model that wrote it`,
    );
  showRun(runOf(trajectory, file.name, backend));
}

function save(trajectory: Trajectory): void {
  const address = URL.createObjectURL(new Blob([formatTrajectory(trajectory)], { type: "application/jsonl" }));
  Object.assign(document.createElement("a"), { href: address, download: "run.jsonl" }).click();
  // The download has begun by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

export function Files() {
  const [mistake, setMistake] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const opens = (file: File): void =>
    void open(file).then(
      () => setMistake(""),
      (error: unknown) => setMistake(messageOf(error)),
    );
  const trajectory = run.value?.result?.trajectory;
  return (
    <div class="actions">
      <input
        ref={input}
        class="hidden"
        type="file"
        accept=".jsonl"
        tabIndex={-1}
        aria-label="A recorded run"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files!;
          if (file) opens(file);
          // The same file can be opened again.
          currentTarget.value = "";
        }}
      />
      <button type="button" onClick={() => input.current!.click()} title="A file of sedd sample --record, or one saved here">
        Open a recording
      </button>
      <button
        type="button"
        disabled={!trajectory}
        title={trajectory ? "For sedd replay" : "Only a finished run is recorded whole"}
        onClick={() => save(trajectory!)}
      >
        Save the recording
      </button>
      {mistake && (
        <p role="alert" class="mistake">
          {mistake}
        </p>
      )}
    </div>
  );
}
