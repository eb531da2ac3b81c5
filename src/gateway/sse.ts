/** Events of a `text/event-stream` in raw bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). */

const lf = 0x0a
const cr = 0x0d

export interface ServerSentEvent {
  /** Empty: the stream named none, or called it `message`. */
  readonly type: string
  /** Its `data` lines, joined by line feeds; undefined: it had none, so it dispatches nothing. */
  readonly data: string | undefined
}

/**
 * Where the event that begins at `start` ends, its empty line included; -1 if that has not come yet. `from`: where to go on,
 * if less of the event was looked through before.
 */
export function findEventEnd(bytes: Buffer, start: number, from = start): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte !== lf && byte !== cr) continue
    const before = bytes[at - 1]
    const isEmpty = at === start || before === lf || before === cr
    // A carriage return at the end of what came is half a line end, if a line feed followed the one before.
    if (byte === cr && at + 1 === bytes.length && before === lf && bytes[at - 2] === cr) return -1
    if (byte === cr && bytes[at + 1] === lf) at++
    if (isEmpty) return at + 1
  }
  return -1
}

/** Where to go on when more has come: a carriage return at the end may be half a line end. */
export function placeToGoOn(bytes: Buffer): number {
  return bytes.at(-1) === cr ? bytes.length - 1 : bytes.length
}

/** How many of the first bytes are whole events. */
export function wholeEventsLength(bytes: Buffer): number {
  const length = bytes.length
  if (length >= 2 && bytes[length - 1] === lf) {
    if (bytes[length - 2] === lf) return length
    if (length >= 3 && bytes[length - 2] === cr && bytes[length - 3] === lf) return length
  }
  // Nearly always the first is there, and leaves little for the others to look through.
  let end = endOfLast(bytes, '\n\n', 0)
  end = endOfLast(bytes, '\n\r\n', end)
  // Without line feeds; the next one would still belong to this line end.
  return endOfLast(bytes, '\r\r', end)
}

/** The end of the last mark behind `from`; `from` if there is none. */
function endOfLast(bytes: Buffer, mark: string, from: number): number {
  const start = Math.max(0, from - mark.length + 1)
  const at = bytes.subarray(start).lastIndexOf(mark, undefined, 'latin1')
  return at < 0 ? from : start + at + mark.length
}

/** Where the first of these events ends, of which the beginning is missing. The end has come. */
export function firstEventEnd(bytes: Buffer): number {
  let end = bytes.length
  for (const mark of ['\n\n', '\n\r\n', '\r\r']) {
    const at = bytes.indexOf(mark, 0, 'latin1')
    if (at >= 0) end = Math.min(end, at + mark.length)
  }
  return end
}

/** A stream may begin with it (WHATWG HTML § 9.2.5). */
const byteOrderMark = /^\uFEFF/

/** Reads one whole event. */
export function readEvent(bytes: Buffer): ServerSentEvent {
  let type = ''
  let data: string | undefined
  for (const line of bytes
    .toString()
    .replace(byteOrderMark, '')
    .split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':')
    if (colon === 0) continue
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    // The standard's name for events that have none.
    if (field === 'event') type = value === 'message' ? '' : value
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`
  }
  return { type, data }
}
