/** Where strings, lists, objects and events end in texts that may be cut off. */

/** The end of the string whose opening quotation mark is at `start`; the length of the text if the end is cut off. */
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

/** The index after the object or list that begins at `start`; -1 if its end is cut off. */
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

/** The begin of the event that contains this index; 0 if it began before the text. */
export function startOfEvent(text: string, place: number): number {
  let start = 0
  for (const line of emptyLines) {
    const at = text.lastIndexOf(line, place)
    if (at >= 0) start = Math.max(start, at + line.length)
  }
  return start
}

/** The index after the event that contains this index; the length of the text if its end is cut off. */
export function endOfEvent(text: string, place: number): number {
  let end = text.length
  for (const line of emptyLines) {
    const at = text.indexOf(line, place)
    if (at >= 0) end = Math.min(end, at + line.length)
  }
  return end
}
