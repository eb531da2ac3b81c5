import { readFileSync } from 'node:fs'
import type { GraphQLEnumType } from 'graphql'
import { describe, expect, test } from 'vitest'
import { graphqlFaults } from '../../../src/graphql/kit/fault.ts'
import { schema } from '../../../src/graphql/schema/schema.ts'

const userErrorCodes = (schema.getType('UserErrorCode') as GraphQLEnumType).getValues()

/** The rows of the first table behind a heading. */
function rowsUnder(heading: string): string[][] {
  const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const section = text.split(`\n${heading}\n`)[1]!.split(/\n#+ /)[0]!
  const rows = section.split('\n').filter((line) => line.startsWith('| `'))
  return rows.map((row) => row.slice(2, -2).split(' | '))
}

describe('docs/errors.md', () => {
  test('tells of every fault of a GraphQL request, and of no other', () => {
    const faults = Object.entries(graphqlFaults).map(([code, { meaning, remedy }]) => [`\`${code}\``, meaning, remedy])
    expect(rowsUnder('### Faults: `errors`')).toEqual(faults)
  })

  test('tells of every code of a user error what the schema says, and of no other', () => {
    const rows = rowsUnder('### Failures: `userErrors`')
    expect(rows.map(([code, meaning]) => [code, meaning])).toEqual(
      userErrorCodes.map(({ name, description }) => [`\`${name}\``, description]),
    )
    for (const [, , remedy] of rows) expect(remedy).toMatch(/^[A-Z].*\.$/)
  })
})
