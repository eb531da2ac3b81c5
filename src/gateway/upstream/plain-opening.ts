/** So much of an answer is looked at while it comes: an error that stands in its place is named early. */
const lookedAt = 4096
/** More than this is no error. */
const maxErrorObjectBytes = 64 * 1024

/** First members of objects that are errors. */
const errorNames = ['error', 'errors', 'type', 'object', 'success', 'status', 'code', 'message', 'detail']

/** Whether a plain answer with a good status may be an error in the place of one, by its first bytes. */
export function mayBeginError(chunks: readonly Buffer[]): boolean {
  const text = headOf(chunks)
  const first = /^(?:\xEF\xBB\xBF)?\s*(?:$|[[{]\s*(?:$|[[{]?\s*(?:$|"([^"]*)("?))))/.exec(text)
  // It begins with something else than an object, or with one that is empty.
  if (!first) return false
  const [, name, quote] = first
  if (name === undefined) return true
  if (quote === '') return errorNames.some((it) => it.startsWith(name))
  return hasErrorMark(text)
}

/** Whether a whole answer with a good status is worth parsing for an error. */
export function mayHoldError(body: Buffer): boolean {
  if (body.length > maxErrorObjectBytes) return false
  if (body.indexOf('"error') < 0 && body.indexOf('"failed"') < 0) return false
  return /^(?:\xEF\xBB\xBF)?\s*[[{]/.test(body.toString('latin1', 0, 64)) && hasErrorMark(body.toString('latin1'))
}

function hasErrorMark(text: string): boolean {
  return /"(?:error"\s*:\s*(?:["{[]|$)|errors"\s*:|type"\s*:\s*"error"|object"\s*:\s*"error"|status"\s*:\s*"failed")/.test(
    text,
  )
}

function headOf(chunks: readonly Buffer[]): string {
  let text = ''
  for (const chunk of chunks) {
    if (text.length >= lookedAt) break
    text += chunk.toString('latin1', 0, lookedAt - text.length)
  }
  return text
}
