import { readParameters } from '../http1/header-parameters.ts'

/** RFC 2046 § 5.1.1, and the other characters of tokens, which clients use as well. */
const boundary = /^[\w'()+,\-./:=?!#$%&*^`{|}~ ]{1,70}(?<! )$/

/** The boundary that a content type names; undefined if it names none, more than one, or one that may not be. */
export function boundaryOf(contentType: string): string | undefined {
  const parameters = readParameters(contentType) ?? []
  // Servers that search for `boundary=` would find it in another value too; `boundary*` is RFC 2231's way to write it.
  const speaking = parameters.filter(({ name, raw }) => name.startsWith('boundary') || /boundary\s*\*?=/i.test(raw))
  const [only] = speaking
  if (speaking.length !== 1 || only!.name !== 'boundary') return undefined
  return boundary.test(only!.raw) ? only!.raw : undefined
}
