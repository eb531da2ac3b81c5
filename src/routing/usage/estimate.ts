/**
 * How many tokens a text has, about, when nobody says. Deterministic, without any model's vocabulary, and by script: English
 * has some four characters per token, Chinese about one and a half, others two or three. The same text is always the same
 * number, more text is never fewer tokens, and no text
 * has more tokens than bytes.
 *
 * Texts are latin1 strings of UTF-8 bytes: one character per byte.
 */

import { backslash, endOfBlock, endOfEvent, endOfString, startOfEvent } from './answer-text.ts'

/** The part of a token for each byte, in twelfths. A character counts by its first byte. */
const weights = new Uint8Array(256)
const twelfths = 12

function weigh(from: number, to: number, weight: number): void {
  weights.fill(weight, from, to + 1)
}
// ASCII: letters, digits and blanks; punctuation makes shorter tokens.
weigh(0x00, 0x7f, 5)
for (const [from, to] of [
  [0x20, 0x20],
  [0x41, 0x5a],
  [0x61, 0x7a],
] as const)
  weigh(from, to, 3)
weigh(0x30, 0x39, 4)
// Bytes that continue a character.
weigh(0x80, 0xbf, 0)
// Two bytes: Latin with marks, Greek, Cyrillic, Hebrew, Arabic. Three: India and East Asia. Four: emoji and rare characters.
weigh(0xc0, 0xdf, 6)
weigh(0xe0, 0xef, 8)
weigh(0xf0, 0xff, 24)

/** Tokens of a plain text. */
export function estimateTokens(utf8: string): number {
  let sum = 0
  for (let at = 0; at < utf8.length; at++) sum += weights[utf8.charCodeAt(at)]!
  return Math.ceil(sum / twelfths)
}

/** A longer text is estimated by its beginning. */
const longText = 8192

/** Tokens of the inside of a JSON string, whose characters may be escaped. */
function estimateJsonString(json: string, start: number, end: number): number {
  if (end - start <= longText) return sumJsonString(json, start, end)
  return Math.ceil((sumJsonString(json, start, start + longText) * (end - start)) / longText)
}

function sumJsonString(json: string, start: number, end: number): number {
  let sum = 0
  for (let at = start; at < end; at++) {
    const code = json.charCodeAt(at)
    if (code !== backslash) sum += weights[code]!
    else if (json.charCodeAt(at + 1) === lowerU) {
      sum += weightOfEscape(json.slice(at + 2, at + 6))
      at += 5
    } else {
      sum += weights[0x0a]!
      at++
    }
  }
  return Math.ceil(sum / twelfths)
}

const lowerU = 0x75

/** `\u4f60` is one character; each half of a pair is half an emoji. */
function weightOfEscape(hex: string): number {
  const code = Number.parseInt(hex, 16)
  if (!(code >= 0x80)) return weights[0x21]!
  if (code < 0x800) return weights[0xc3]!
  return code >= 0xd800 && code <= 0xdfff ? weights[0xf0]! / 2 : weights[0xe4]!
}

/**
 * Tokens of a prompt: of all texts in the request's JSON, a little for each of them, and nothing for images and files; or as
 * many as the client made of its text itself. A body that is cut off counts as far as it goes.
 */
export function estimatePromptTokens(json: string): number {
  let tokens = 0
  for (const [list] of json.matchAll(tokenLists)) tokens += list.match(/\d+/g)?.length ?? 0
  for (let at = json.indexOf('"'); at >= 0; at = json.indexOf('"', at)) {
    const end = endOfString(json, at)
    if (!isMemberName(json, end) && !isBinary(json, at + 1, end)) tokens += estimateJsonString(json, at + 1, end)
    at = end + 1
  }
  return tokens
}

/** Texts that are given as lists of token numbers. */
const tokenLists = /"(?:input|prompt)"\s*:\s*\[[\s\d,[\]]*/g

function isMemberName(json: string, end: number): boolean {
  let at = end + 1
  while (json.charCodeAt(at) <= 0x20) at++
  return json[at] === ':'
}

const binarySample = 256

/** Base64, as a data URL or bare: a long run of its alphabet. */
function isBinary(json: string, start: number, end: number): boolean {
  if (end - start < binarySample) return false
  return json.startsWith('data:', start) || /^[\w+/=-]*$/.test(json.slice(start, start + binarySample))
}

/** The kept part of an answer of `bytes` bytes: its first and last bytes, without overlap. */
export interface AnswerSample {
  readonly bytes: number
  readonly head: string
  readonly tail: string
}

/** Members that hold generated text, in every protocol; in a stream piece by piece. */
const writtenNames = 'content|text|delta|reasoning_content|reasoning|thinking|arguments|partial_json'
const writtenMembers = new RegExp(`"(${writtenNames})"\\s*:\\s*"`, 'g')
const writtenText = new RegExp(`"(?:${writtenNames})"\\s*:\\s*"[^"]`)

/** Whether the text contains generated text. */
export function saysWritten(json: string): boolean {
  return writtenText.test(json)
}

/**
 * Tokens that a model wrote. The middle of a long answer was not kept: if both ends are of one long string, it is taken to be
 * like the string's begin, and else to have as many tokens per byte as the ends have.
 */
export function estimateAnswerTokens({ bytes, head, tail }: AnswerSample): number {
  const keptBytes = head.length + tail.length
  if (bytes <= keptBytes) return estimateWritten(head + tail)
  const { tokens: tailTokens, bytes: tailBytes, isInString } = estimateTail(head, tail)
  const tokens = estimateWritten(head) + tailTokens
  const known = head.length + tailBytes
  const density = (isInString ? densityOfOpenString(head) : null) ?? tokens / Math.max(1, known)
  return Math.ceil(tokens + (bytes - known) * density)
}

/** Estimates generated text. A text that is repeated under two names, e.g. `reasoning` and `reasoning_content`, counts once. */
function estimateWritten(json: string): number {
  const answer = withoutSegments(json)
  let tokens = 0
  let last = { name: '', text: '' }
  for (const match of answer.matchAll(writtenMembers)) {
    const name = match[1]!
    const start = match.index + match[0].length
    const end = endOfString(answer, start - 1)
    const text = answer.slice(start, end)
    if (text === '' || (name !== last.name && text === last.text) || isBinary(answer, start, end)) continue
    last = { name, text }
    tokens += estimateJsonString(answer, start, end)
  }
  return tokens
}

/** Removes the segments of a transcript, which repeat its text with times. */
function withoutSegments(json: string): string {
  const match = /"segments"\s*:\s*\[/.exec(json)
  if (!match) return json
  const end = endOfBlock(json, match.index + match[0].length - 1)
  return json.slice(0, match.index) + (end < 0 ? '' : json.slice(end))
}

/**
 * The same for a stream of OpenAI's typed events. Its deltas say everything, and the events that end a part, an item or the
 * answer say it again: the deltas alone count, and where there are none, the last of those that say it again.
 */
export function estimateTypedStreamTokens(sample: AnswerSample): number {
  const { bytes, head, tail } = sample
  const ends = [estimateDeltas(head), estimateDeltas(tail)]
  const tokens = ends.reduce((sum, deltas) => sum + deltas.tokens, 0)
  const known = ends.reduce((sum, deltas) => sum + deltas.bytes, 0)
  if (known > 0) return Math.ceil(tokens + ((bytes - head.length - tail.length) * tokens) / known)
  const repeat = [...tail.matchAll(repeatingType)].at(-1)
  if (!repeat) return estimateAnswerTokens(sample)
  return estimateTail('', tail.slice(startOfEvent(tail, repeat.index), endOfEvent(tail, repeat.index))).tokens
}

const repeatingType = /"type"\s*:\s*"[\w.]+\.(?:done|completed|incomplete)"/g
const deltaMembers = /"delta"\s*:\s*"/g

/** `bytes`: from the first event with a delta to the last one. */
function estimateDeltas(events: string): { readonly tokens: number; readonly bytes: number } {
  let tokens = 0
  let start = -1
  let end = 0
  for (const match of events.matchAll(deltaMembers)) {
    if (start < 0) start = startOfEvent(events, match.index)
    const from = match.index + match[0].length
    end = endOfString(events, from - 1)
    if (!isBinary(events, from, end)) tokens += estimateJsonString(events, from, end)
  }
  return start < 0 ? { tokens, bytes: 0 } : { tokens, bytes: endOfEvent(events, end) - start }
}

interface TailEstimate {
  readonly tokens: number
  /** The number of bytes at the end of the tail. */
  readonly bytes: number
  /** Whether the tail begins inside a written string. */
  readonly isInString: boolean
}

function estimateTail(head: string, tail: string): TailEstimate {
  const end = endOfCutString(tail)
  const isInString = end === tail.length ? startOfOpenString(head) >= 0 : end >= shortestCutString
  if (isInString) {
    const tokens = isBinary(tail, 0, end) ? 0 : estimateJsonString(tail, 0, end)
    return { tokens: tokens + estimateWritten(tail.slice(end)), bytes: tail.length, isInString }
  }
  // The rest of an event that began in the part that was not kept is skipped, unless little else would be left.
  const lineEnd = tail.search(/[\r\n]/) + 1
  const events = lineEnd * 2 < tail.length ? tail.slice(lineEnd) : tail
  return { tokens: estimateWritten(events), bytes: events.length, isInString }
}

/** A shorter cut string could also be e.g. an identifier. */
const shortestCutString = 256

/**
 * The end of the string in which the tail begins; the length of the tail if the string does not end in it; -1 if the tail does not
 * begin in a string.
 */
function endOfCutString(tail: string): number {
  // A quotation mark at its very begin may belong to an escape that was cut.
  const cutEscape = /^\\*"/.exec(tail)?.[0].length ?? 0
  const end = endOfString(tail, cutEscape - 1)
  const hasLineBreak = /[\r\n]/.test(tail.slice(0, end))
  return !hasLineBreak && /^(?:$|"\s*[,}\]])/.test(tail.slice(end, end + 8)) ? end : -1
}

/** The begin of a generated string that does not end in the head; -1 if there is none. */
function startOfOpenString(head: string): number {
  const last = [...head.matchAll(writtenMembers)].at(-1)
  if (!last) return -1
  const start = last.index + last[0].length
  return endOfString(head, start - 1) === head.length ? start : -1
}

/**
 * Tokens per byte of the open string; null if it is not most of the head, because the part that was not kept may then contain many
 * strings.
 */
function densityOfOpenString(head: string): number | null {
  const start = startOfOpenString(head)
  const length = head.length - start
  if (start < 0 || length * 2 < head.length || isBinary(head, start, head.length)) return null
  return sumJsonString(head, start, head.length) / length
}
