// A dialog in front of the page; the browser keeps the focus in it.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export function Modal({ title, close, children, typed = false, class: kind = "" }: {
  title: string; close: (() => void) | null; children: ComponentChildren; typed?: boolean; class?: string;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref} class={kind} aria-labelledby="dialog-title"
      onCancel={(e) => {
        e.preventDefault();
        close?.();
      }}
      onKeyDown={(e) => e.stopPropagation()}
      onClick={(e) => e.target === ref.current && close?.()}
    >
      <div class="sheet" tabIndex={-1} autofocus={!typed}>
        <div class="head">
          <h2 id="dialog-title">{title}</h2>
          {close && <button type="button" class="plain" onClick={close}><kbd>Esc</kbd><span>close</span></button>}
        </div>
        {children}
      </div>
    </dialog>
  );
}
