/** Numbers in 0…1 by words: the same for the same seed and the same words. */
export const chanceFrom =
  (seed: number) =>
  (...words: readonly (string | number)[]): number =>
    Number(Bun.hash(`${seed}:${words.join(":")}`) % 1_000_003n) / 1_000_003
