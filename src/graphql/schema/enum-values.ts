/** The values of an enum, each with its description: a word of `routing/` that is missing here does not compile. */
export type Values<Word extends string> = Record<Word, { readonly description: string }>
