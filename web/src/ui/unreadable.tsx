import type { Trouble } from "../logic/api";

/** In place of pictures that cannot be had. */
export function Unreadable({ trouble }: { trouble: Trouble | null }) {
  if (!trouble) return null;
  return (
    <p class="unreadable" role="status">
      <strong>No pictures.</strong> {trouble.message}. {trouble.remedy} Press U to leave this card undecided.
    </p>
  );
}
