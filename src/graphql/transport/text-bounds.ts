/** Most UTF-16 units of one string. */
const maxTextLength = 65_536

/**
 * Why a string is not accepted anywhere; undefined if it is. PostgreSQL stores neither U+0000 nor half of a surrogate pair, and would
 * fail only in the middle of a change.
 */
export function textProblem(text: string): string | undefined {
  if (text.length > maxTextLength) return `A string has at most ${maxTextLength} characters.`
  if (text.includes('\0')) return 'A string has no U+0000.'
  return text.isWellFormed() ? undefined : 'A string has no half of a surrogate pair (U+D800 to U+DFFF).'
}

/** The greatest depth of nested objects and lists in a JSON value. */
const maxJsonDepth = 200

/** The first text problem in the strings of a JSON value, with its place; undefined if there is none. */
export function findTextProblem(value: unknown, place: string, depth = 0): string | undefined {
  if (typeof value === 'string') {
    const problem = textProblem(value)
    return problem && `${problem} (${place})`
  }
  if (value === null || typeof value !== 'object') return undefined
  if (depth === maxJsonDepth) return `A value has at most ${maxJsonDepth} objects and lists in one another.`
  for (const [name, member] of Object.entries(value)) {
    const problem = findTextProblem(member, `${place}.${name}`, depth + 1)
    if (problem) return problem
  }
  return undefined
}
