/** The greatest depth of open brackets in a document. A greater depth would exhaust the stack of code that visits it recursively. */
export const maxNesting = 200

/** Strings and comments, whose brackets do not count, and the brackets. */
const lexemes = /"""(?:[^"\\]|\\[\s\S]|"(?!""))*"""|"(?:[^"\\\n\r]|\\.)*"|#[^\n\r]*|[{([\])}]/g

/** Whether the brackets of a document are nested too deeply. */
export function isTooNested(document: string): boolean {
  let open = 0
  for (const [lexeme] of document.matchAll(lexemes)) {
    if (lexeme === '{' || lexeme === '(' || lexeme === '[') open++
    else if (lexeme === '}' || lexeme === ')' || lexeme === ']') open--
    if (open > maxNesting) return true
  }
  return false
}
