/** The view's clock: one time for all panels, moved by hand or played either way. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Choice, plainly } from "../parts/choice.tsx";
import { figure } from "./figure.ts";
import { noise, schedule, schedules, sigma, time } from "./state.ts";

/** +1: noise comes; −1: it goes; 0: time stands still. */
const direction = signal<-1 | 0 | 1>(0);

const clamp = (t: number): number => Math.min(1, Math.max(0, Math.round(t * 1000) / 1000));

function play(by: -1 | 1): void {
  if (time.value === (by === 1 ? 1 : 0)) time.value = by === 1 ? 0 : 1;
  direction.value = by;
}

export function Clock() {
  const moving = direction.value;
  useEffect(() => {
    if (moving === 0) return;
    // Where motion is unwelcome: ten pictures, a second each.
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const timer = setInterval(
      () => {
        time.value = clamp(time.value + moving * (still ? 0.1 : 0.004));
        if (time.value === 0 || time.value === 1) direction.value = 0;
      },
      still ? 1000 : 33,
    );
    return () => clearInterval(timer);
  }, [moving]);
  useEffect(() => () => void (direction.value = 0), []);

  const t = time.value.toFixed(3);
  return (
    <section class="clock" aria-label="Time and noise">
      <label class="slider">
        <span>
          Time <var>t</var> = <b>{t}</b>
        </span>
        <input
          type="range"
          min="0"
          max="1"
          step="0.001"
          value={time.value}
          aria-valuetext={`${t}, total noise ${figure(sigma.value)}`}
          onInput={(event) => {
            direction.value = 0;
            time.value = Number(event.currentTarget.value);
          }}
        />
      </label>
      <div class="buttons">
        <button type="button" onClick={() => (moving === -1 ? (direction.value = 0) : play(-1))}>
          {moving === -1 ? "Pause" : "◀ Denoise"}
        </button>
        <button type="button" onClick={() => (moving === 1 ? (direction.value = 0) : play(1))}>
          {moving === 1 ? "Pause" : "Noise ▶"}
        </button>
        <Choice
          label={<span class="hidden">Noise schedule</span>}
          value={schedule.value}
          options={plainly(Object.keys(schedules))}
          onValue={(name) => void (schedule.value = name)}
        />
      </div>
      <p class="readings">
        <span>
          total noise <var>σ</var>(<var>t</var>) = {figure(sigma.value)}
        </span>
        <span>
          its rate <var>σ</var>′(<var>t</var>) = {figure(noise.value.rate(time.value))}
        </span>
        <span>
          redrawn 1 − e<sup>−σ</sup> = {figure(-Math.expm1(-sigma.value))}
        </span>
      </p>
    </section>
  );
}
