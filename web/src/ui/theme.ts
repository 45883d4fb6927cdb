// Dark or light: as the system prefers, or as the reviewer says.
import { effect, signal, type Signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

/** A setting that outlives the page, where the browser lets it. */
export function kept<T>(place: string, first: T): Signal<T> {
  const value = signal(first);
  try {
    const text = localStorage.getItem(place);
    if (text !== null) value.value = JSON.parse(text) as T;
  } catch {
    // The first value will do.
  }
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      localStorage.setItem(place, text);
    } catch {
      // It holds until the page is closed.
    }
  });
  return value;
}

export function makeTheme(): Signal<Theme> {
  const theme = kept<Theme>("scenekeeper/theme", "auto");
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
  return theme;
}
