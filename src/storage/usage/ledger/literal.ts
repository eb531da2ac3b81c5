/**
 * A text as a member of a composite value that is an element of an array literal: quoted for the one, and again for the
 * other (https://www.postgresql.org/docs/18/rowtypes.html#ROWTYPES-IO-SYNTAX, arrays.html#ARRAYS-IO). Null: nothing.
 */
export function literalText(text: string | null): string {
  if (text === null) return ''
  // Most names are plain, and names are many.
  if (!/["\\\0\ud800-\udfff]/.test(text)) return `\\"${text}\\"`
  const storable = storableText(text)
  return `\\"${storable.replaceAll('\\', String.raw`\\\\`).replaceAll('"', String.raw`\"\"`)}\\"`
}

/** PostgreSQL takes neither U+0000 nor lone surrogates, and one such name from a client would hold up all records. */
function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\u{fffd}')
}
