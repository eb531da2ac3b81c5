/** Where strings, lists, objects and events end in texts that may be cut off. */

/** Where the string ends that begins with the quotation mark at `start`; the text's length: its end is cut off. */
export function endOfString(json: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = json.indexOf('"', at)
    if (at < 0) return json.length
    let escapes = 0
    while (json.charCodeAt(at - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return at
  }
}

const quote = 0x22
export const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** Behind the object or list that begins at `start`; -1: its end is cut off. */
export function endOfBlock(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === quote) at = endOfString(json, at)
    else if (char === openBrace || char === openBracket) depth++
    else if ((char === closeBrace || char === closeBracket) && --depth === 0) return at + 1
  }
  return -1
}

/** What ends an event of a stream, with each kind of line end. */
const emptyLines = ['\n\n', '\n\r\n', '\r\r']

/** Where the event begins in which this place is; 0: before the text. */
export function startOfEvent(text: string, place: number): number {
  let start = 0
  for (const line of emptyLines) {
    const at = text.lastIndexOf(line, place)
    if (at >= 0) start = Math.max(start, at + line.length)
  }
  return start
}

/** Behind the event in which this place is; the text's length: its end is cut off. */
export function endOfEvent(text: string, place: number): number {
  let end = text.length
  for (const line of emptyLines) {
    const at = text.indexOf(line, place)
    if (at >= 0) end = Math.min(end, at + line.length)
  }
  return end
}
