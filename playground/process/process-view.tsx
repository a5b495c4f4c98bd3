/** What the article explains, alive: the forward process, its matrices, the reverse, and a sentence that goes there and back. No model is loaded. */
import { Clock } from "./clock.tsx";
import { LawPanel } from "./law-panel.tsx";
import { MatricesPanel } from "./matrices-panel.tsx";
import "./process.css";
import { ReversePanel } from "./reverse-panel.tsx";
import { SentencePanel } from "./sentence-panel.tsx";

export const ProcessView = () => (
  <div class="process">
    <p>
      Diffusion writes text by undoing noise. Everything on this page is computed as you watch, exactly, for a language of five words; a
      model for real text differs only in that a network guesses the one quantity, the score, that is summed up exactly here. Slide the
      time, or play it.
    </p>
    <Clock />
    <LawPanel />
    <MatricesPanel />
    <ReversePanel />
    <SentencePanel />
  </div>
);
