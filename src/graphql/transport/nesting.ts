/** Most brackets that are open at one place of a document. Deeper ones would exhaust the stack of whatever walks over it. */
export const maxNesting = 200

/** Strings and comments, whose brackets do not count, and the brackets. */
const lexemes = /"""(?:[^"\\]|\\[\s\S]|"(?!""))*"""|"(?:[^"\\\n\r]|\\.)*"|#[^\n\r]*|[{([\])}]/g

/** Whether a document has more open brackets at one place than it may. */
export function isTooNested(document: string): boolean {
  let open = 0
  for (const [lexeme] of document.matchAll(lexemes)) {
    if (lexeme === '{' || lexeme === '(' || lexeme === '[') open++
    else if (lexeme === '}' || lexeme === ')' || lexeme === ']') open--
    if (open > maxNesting) return true
  }
  return false
}
