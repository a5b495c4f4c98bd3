/** A button that copies, and says whether it did. */
import { useState } from "preact/hooks";

export interface CopyButtonProps {
  readonly label: string;
  readonly title?: string;
  readonly content: () => string;
}

export function CopyButton({ label, title, content }: CopyButtonProps) {
  const [said, say] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(content());
      say("copied");
    } catch {
      // There is no clipboard where the context is not secure: plain HTTP from another machine.
      say("the browser does not let this page copy");
    }
    setTimeout(() => say(""), 2000);
  };
  return (
    <span class="copy">
      <button type="button" title={title} onClick={() => void copy()}>
        {label}
      </button>
      <span role="status">{said}</span>
    </span>
  );
}
