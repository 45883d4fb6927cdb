// Fuzzy match of what is typed against a vocabulary.

export interface Match {
  readonly word: string;
  readonly score: number;
  /** Places of the matched characters, to be shown. */
  readonly at: readonly number[];
}

/** Words that hold the typed characters in order, best first; all words when nothing is typed. */
export function search(words: readonly string[], typed: string, most = 50): Match[] {
  const query = typed.trim().toLowerCase();
  if (!query) return words.slice(0, most).map((word) => ({ word, score: 0, at: [] }));
  const found: Match[] = [];
  for (const word of words) {
    const match = matched(word, query);
    if (match) found.push(match);
  }
  const shorter = (a: Match, b: Match) => a.word.length - b.word.length;
  return found.sort((a, b) => b.score - a.score || shorter(a, b)).slice(0, most);
}

function matched(word: string, query: string): Match | null {
  const text = word.toLowerCase();
  const whole = text.indexOf(query);
  if (whole >= 0) {
    const begins = whole === 0 ? 60 : text[whole - 1] === " " ? 40 : 0;
    const same = text === query ? 100 : 0;
    return { word, score: 100 + begins + same, at: [...query].map((_, k) => whole + k) };
  }
  return scattered(word, text, query.replaceAll(" ", ""));
}

function scattered(word: string, text: string, query: string): Match | null {
  const at: number[] = [];
  let score = 0;
  let from = 0;
  for (const c of query) {
    const starts = wordStart(text, c, from);
    const place = starts >= 0 ? starts : text.indexOf(c, from);
    if (place < 0) return null;
    score += starts >= 0 ? 8 : place === from ? 5 : 1;
    at.push(place);
    from = place + 1;
  }
  return { word, score: score - (from - at[0]!) / 4, at };
}

/** The next word that begins with c, or -1; only where the character is not simply the next one. */
function wordStart(text: string, c: string, from: number): number {
  if (from > 0 && text[from] === c) return -1;
  if (from === 0 && text[0] === c) return 0;
  const place = text.indexOf(` ${c}`, Math.max(0, from - 1));
  return place < 0 ? -1 : place + 1;
}
