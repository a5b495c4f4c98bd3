/** One position: which steps changed it, and what the model says of it at the step that is shown. */
import type { PositionLaw } from "sedd";
import type { Frame } from "../backend/backend.ts";
import { percent } from "../parts/colouring.tsx";
import type { Change } from "../parts/history.ts";
import { visible, type TokenTexts } from "../parts/token-texts.ts";
import type { Laws } from "./laws.ts";

export interface StoryProps {
  readonly position: number;
  readonly frame: Frame;
  /** Of this position, over the whole run. */
  readonly changes: readonly Change[];
  readonly mask: number | undefined;
  readonly texts: TokenTexts;
  readonly laws: Laws;
  readonly onMoment: (frame: number) => void;
}

export function Story({ position, frame, changes, mask, texts, laws, onMoment }: StoryProps) {
  const law = laws.kind === "told" ? laws.laws.find((law) => law.position === position) : undefined;
  return (
    <section class="story" aria-label={`Position ${position + 1}`}>
      <h2>
        Position {position + 1} of {frame.tokens.length}
      </h2>
      {changes.length === 0 ? (
        <p class="quiet">No step changed it.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">step</th>
              <th scope="col">became</th>
              <th scope="col">probability</th>
              <th scope="col">see</th>
            </tr>
          </thead>
          <tbody>
            {changes.map(({ frame: k, step, token, probability }) => (
              <tr key={k}>
                <td>{step}</td>
                <td>
                  <code>{token === mask ? "open again" : visible(texts.of(token))}</code>
                </td>
                <td>{probability === undefined ? "–" : percent(probability)}</td>
                <td>
                  <button type="button" onClick={() => onMoment(k - 1)}>
                    before
                  </button>{" "}
                  <button type="button" onClick={() => onMoment(k)}>
                    after
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h3>What the model says of it at step {frame.step}</h3>
      {laws.kind === "silent" && <p class="quiet">{laws.message}</p>}
      {laws.kind === "asking" && <p class="quiet">The model is asked.</p>}
      {laws.kind === "failed" && (
        <p role="alert" class="mistake">
          {laws.message}
        </p>
      )}
      {laws.kind === "told" && !law && (
        <p class="quiet">
          {frame.sigma > 0 ? "It is written: the model is not asked about it any more." : "All noise is gone: the text is done."}
        </p>
      )}
      {law && <LawBars law={law} />}
    </section>
  );
}

function LawBars({ law: { entropy, top } }: { readonly law: PositionLaw }) {
  const rest = Math.max(0, 1 - top.reduce((sum, { probability }) => sum + probability, 0));
  const rows = [...top.map(({ text, probability }) => ({ name: visible(text), probability })), { name: "all others", probability: rest }];
  return (
    <>
      <p class="quiet">Entropy {entropy.toFixed(2)} nats.</p>
      <table class="law">
        <thead class="hidden">
          <tr>
            <th scope="col">token</th>
            <th scope="col">probability</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, probability }, i) => (
            <tr key={i}>
              <th scope="row">{i < top.length ? <code>{name}</code> : name}</th>
              <td>
                <span class="share" style={{ width: `${60 * probability}%` }} /> {percent(probability)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
