/** What the JSON in an event's data says. An upstream may write anything there: nothing is taken for what it only looks like. */
export type Json = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Undefined: it is no JSON object. */
export function parseEventJson(data: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(data)
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

/** Null, false, an empty string, an empty list and an empty object say nothing. */
export function saysSomething(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  if (typeof value !== 'object') return true
  return Array.isArray(value) ? value.length > 0 : hasMember(value)
}

function hasMember(value: object): boolean {
  for (const name in value) if (Object.hasOwn(value, name)) return true
  return false
}
