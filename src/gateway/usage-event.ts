import { findEventEnd, wholeEventsLength } from './sse.ts'

/** In the name of each count, and hardly ever elsewhere: `"usage":null` is in every event of some streams. */
const countName = Buffer.from('_tokens"')

/**
 * Events without the extra ones that carry a stream's usage and no choice: the client did not ask for it, the gateway
 * did (https://platform.openai.com/docs/api-reference/chat/create#stream_options). The last one may lack its end.
 */
export function withoutUsageEvents(events: Buffer): Buffer {
  let kept = events
  for (let at = kept.indexOf(countName); at >= 0;) {
    let start = wholeEventsLength(kept.subarray(0, at))
    let found = findEventEnd(kept, start)
    // More than one empty line may stand before the event.
    while (found >= 0 && found <= at) {
      start = found
      found = findEventEnd(kept, start)
    }
    const end = found < 0 ? kept.length : found
    const isExtra = isUsageEvent(kept.subarray(start, end))
    if (isExtra) kept = without(kept, start, end)
    at = kept.indexOf(countName, isExtra ? start : end)
  }
  return kept
}

function without(events: Buffer, start: number, end: number): Buffer {
  if (start === 0) return events.subarray(end)
  if (end === events.length) return events.subarray(0, start)
  return Buffer.concat([events.subarray(0, start), events.subarray(end)])
}

/** Where JSON goes on in another line of an event. */
const continuedLine = /[\r\n]data:/g

function isUsageEvent(event: Buffer): boolean {
  const text = event.toString('latin1').replace(continuedLine, '')
  return /"usage"\s*:\s*\{/.test(text) && /"choices"\s*:\s*\[\s*\]/.test(text)
}
