/** The text of `src/api/schema.gen.ts` as it should be. */
export function schema(): Promise<string>;
