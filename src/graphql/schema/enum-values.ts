/** The values of an enum with their descriptions. A value of the type `Word` that is missing does not compile. */
export type Values<Word extends string> = Record<Word, { readonly description: string }>
