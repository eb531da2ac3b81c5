/** What the JSON in an event's data says. An upstream may write anything there: nothing is taken for what it only looks like. */
import type { ServerSentEvent } from './sse.ts'

export type Json = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Undefined: it is no JSON object. */
export function readJson(event: ServerSentEvent): Json | undefined {
  try {
    const value: unknown = JSON.parse(event.data ?? '')
    return isObject(value) ? value : errorInList(value)
  } catch {
    return undefined
  }
}

/** Gemini's errors are in a list. */
function errorInList(value: unknown): Json | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : undefined
  return isObject(first) && saysSomething(first['error']) ? first : undefined
}

/** What the event is called, beside its data or in it; empty: it has no name. */
export function typeOf(event: ServerSentEvent): string {
  if (event.type !== '') return event.type
  const type = readJson(event)?.['type']
  return typeof type === 'string' ? type : ''
}

/** Null, false, an empty string and an empty list say nothing. */
export function saysSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  return Array.isArray(value) ? value.length > 0 : true
}
