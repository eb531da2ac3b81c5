/** Fields of an event, and the colon that begins a comment (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
const fields = ['data:', 'event:', 'id:', 'retry:', ':']
const longestBeginning = 64

/** Whether a body is an event stream by its first bytes, whatever its content type says; undefined: too few came. */
export function beginsEventStream(chunks: readonly Buffer[]): boolean | undefined {
  const text = Buffer.concat(chunks).toString('latin1', 0, longestBeginning)
  const begun = text.replace(/^\xEF\xBB\xBF/, '').replace(/^[\r\n]+/, '')
  if (fields.some((field) => begun.startsWith(field))) return true
  return text.length < longestBeginning && fields.some((field) => field.startsWith(begun)) ? undefined : false
}
