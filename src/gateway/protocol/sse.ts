/** Events of a `text/event-stream` in raw bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream). */
import { type Json, parseEventJson } from './event-json.ts'

const lf = 0x0a
const cr = 0x0d
const colon = 0x3a

export class ServerSentEvent {
  /** Empty: the stream named none, or called it `message`. */
  readonly type: string
  /** Its `data` lines, joined by line feeds; undefined: it had none, so it dispatches nothing. */
  readonly data: string | undefined
  #json: Json | undefined
  #isParsed = false

  constructor(type: string, data: string | undefined) {
    this.type = type
    this.data = data
  }

  /** An event that was too long to keep, with what was picked of its JSON. */
  static picked(type: string, json: Json | undefined): ServerSentEvent {
    const event = new ServerSentEvent(type, undefined)
    event.#json = json
    event.#isParsed = true
    return event
  }

  /** The object in its data, parsed once; undefined if it is not a JSON object. */
  get json(): Json | undefined {
    if (!this.#isParsed) {
      this.#isParsed = true
      this.#json = this.data === undefined ? undefined : parseEventJson(this.data)
    }
    return this.#json
  }

  /** What it is called, beside its data or in it; empty: it has no name. */
  get name(): string {
    if (this.type !== '') return this.type
    const type = this.json?.['type']
    return typeof type === 'string' ? type : ''
  }
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

/** How many of the first bytes are whole events. `from`: up to here there was no end of one, so that it is not looked for again. */
export function wholeEventsLength(bytes: Buffer, from = 0): number {
  const length = bytes.length
  if (length >= 2 && bytes[length - 1] === lf) {
    if (bytes[length - 2] === lf) return length
    if (length >= 3 && bytes[length - 2] === cr && bytes[length - 3] === lf) return length
  }
  // Nearly always the first is there, and leaves little for the others to look through.
  let end = endOfLast(bytes, '\n\n', from)
  end = endOfLast(bytes, '\n\r\n', end)
  // Without line feeds; the next one would still belong to this line end.
  end = endOfLast(bytes, '\r\r', end)
  return end === from ? 0 : end
}

/** The end of the last mark that ends after `from`; `from` if there is none. */
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

/**
 * How many of the first bytes of an event are whole lines that say nothing to anybody: comments and empty lines. They belong to no
 * event, and some upstreams keep a connection open with them alone.
 */
export function idleLinesLength(bytes: Buffer): number {
  let length = 0
  for (let at = 0; at < bytes.length;) {
    const isEmpty = isLineEnd(bytes[at])
    if (!isEmpty && bytes[at] !== colon) break
    while (at < bytes.length && !isLineEnd(bytes[at])) at++
    if (at === bytes.length) break
    at += bytes[at] === cr && bytes[at + 1] === lf ? 2 : 1
    length = at
  }
  return length
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === lf || byte === cr
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
    const colonAt = line.indexOf(':')
    if (colonAt === 0) continue
    const field = colonAt < 0 ? line : line.slice(0, colonAt)
    const value = colonAt < 0 ? '' : line.slice(line[colonAt + 1] === ' ' ? colonAt + 2 : colonAt + 1)
    // The standard's name for events that have none.
    if (field === 'event') type = value === 'message' ? '' : value
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`
  }
  return new ServerSentEvent(type, data)
}
