/**
 * A message of GraphQL's coercion, validation or parser without the values that the caller sent. GraphQL echoes whole values: an input
 * with one misspelt member would come back with the secrets in its other members, and end in a log of the caller.
 */
export function maskValues(message: string): string {
  return message
    .replace(/Value "[\s\S]*" does not exist in "(\w+)" enum[\s\S]*$/, 'The value does not exist in the enum "$1".')
    .replace(/(cannot represent (?:a )?[\w -]*value): [\s\S]*$/, '$1.')
    .replace(/[.,;"]*\s*found: [\s\S]*$/i, '.')
    .replace(/((?:found|Unexpected) (?:Block)?String) "[\s\S]*"/, '$1')
}
