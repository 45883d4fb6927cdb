// The review that components look at and act on.
import { createContext } from "preact";
import type { RefObject } from "preact";
import { useContext, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Review } from "../logic/review";

export const Reviewing = createContext<Review | null>(null);

export function useReview(): Review {
  return useContext(Reviewing)!;
}

/** An element and its size, kept up to date. */
export function useSize<T extends Element>(): [RefObject<T | null>, number, number] {
  const ref = useRef<T | null>(null);
  const [[width, height], set] = useState<[number, number]>([0, 0]);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const look = () => set([element.clientWidth, element.clientHeight]);
    const observer = new ResizeObserver(look);
    observer.observe(element);
    look();
    return () => observer.disconnect();
  }, []);
  return [ref, width, height];
}
