/**
 * A text as a member of a composite value that is an element of an array literal: quoted for the one, and again for the
 * other (https://www.postgresql.org/docs/18/rowtypes.html#ROWTYPES-IO-SYNTAX, arrays.html#ARRAYS-IO). Null: nothing.
 */
export function literalText(text: string | null): string {
  if (text === null) return ''
  const storable = storableText(text)
  // Names are plain.
  if (!/["\\]/.test(storable)) return `\\"${storable}\\"`
  return `\\"${storable.replace(/["\\]/g, (c) => (c === '"' ? String.raw`\"\"` : String.raw`\\\\`))}\\"`
}

/** PostgreSQL takes neither U+0000 nor lone surrogates, and one such name from a client would hold up all records. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\u{fffd}')
}
