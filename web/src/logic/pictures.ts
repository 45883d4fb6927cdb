// Decoded pictures, fetched once and kept while they are likely to be wanted.
import { reach } from "./api";

export interface Pictures {
  /** Decoded already, or null. */
  now(url: string): ImageBitmap | null;
  /** Fetched and decoded; throws Trouble. */
  get(url: string): Promise<ImageBitmap>;
}

/** Pictures of which at most `pixels` are kept, those not wanted for longest given up first. */
export function makePictures(pixels = 48e6): Pictures {
  const ready = new Map<string, ImageBitmap>();
  const coming = new Map<string, Promise<ImageBitmap>>();
  let held = 0;

  return {
    now(url) {
      const picture = ready.get(url) ?? null;
      if (picture) {
        ready.delete(url);
        ready.set(url, picture);
      }
      return picture;
    },
    get(url) {
      const picture = this.now(url);
      if (picture) return Promise.resolve(picture);
      const promise = coming.get(url) ?? load(url);
      coming.set(url, promise);
      return promise;
    },
  };

  async function load(url: string): Promise<ImageBitmap> {
    try {
      const answer = await reach(url);
      const picture = await createImageBitmap(await answer.blob());
      ready.set(url, picture);
      held += picture.width * picture.height;
      for (const [old, gone] of ready) {
        if (held <= pixels || old === url) break;
        ready.delete(old);
        held -= gone.width * gone.height; // not closed: a card may still show it
      }
      return picture;
    } finally {
      coming.delete(url);
    }
  }
}
