/** The version before runs beside this one, on the database that this one has migrated: migrations only add. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../../../migrations')
/** Of the release before. */
const firstNew = '0012'

/** What would take something away from the version before, or have its writes fail. */
const contractions: readonly (readonly [string, RegExp])[] = [
  ['drops something', /\bDROP\s+(?!CONSTRAINT\s+\w+_check\b)/i],
  ['renames something', /\bRENAME\b/i],
  ['changes the type of a column', /\bALTER\s+COLUMN\s+\w+\s+(?:SET\s+DATA\s+)?TYPE\b/i],
  ['forbids null in a column that there was', /\bSET\s+NOT\s+NULL\b/i],
  [
    'adds a column that must be given',
    /\bADD\s+COLUMN\s+(?:(?!\bDEFAULT\b)[^,;])*\bNOT\s+NULL\b(?:(?!\bDEFAULT\b)[^,;])*[,;]/i,
  ],
]

function contractionsOf(sql: string): string[] {
  const code = sql.replaceAll(/--.*$/gm, '')
  return contractions.flatMap(([name, pattern]) => (pattern.test(code) ? [name] : []))
}

describe('migrations since the release before', async () => {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql') && name >= firstNew).sort()

  test.each(names)('%s only adds', async (name) => {
    expect(contractionsOf(await readFile(join(folder, name), 'utf8'))).toEqual([])
  })
})

describe('the check itself', () => {
  test.each([
    ['ALTER TABLE route DROP COLUMN name;', 'drops something'],
    ['DROP TABLE route;', 'drops something'],
    ['ALTER TABLE route RENAME COLUMN a TO b;', 'renames something'],
    ['ALTER TABLE route ALTER COLUMN a TYPE bigint;', 'changes the type of a column'],
    ['ALTER TABLE route ALTER COLUMN a SET NOT NULL;', 'forbids null in a column that there was'],
    ['ALTER TABLE route ADD COLUMN a text NOT NULL, ADD COLUMN b text;', 'adds a column that must be given'],
  ])('finds %s', (sql, name) => {
    expect(contractionsOf(sql)).toEqual([name])
  })

  test.each([
    'ALTER TABLE route ADD COLUMN a text;',
    "ALTER TABLE route ADD COLUMN a text NOT NULL DEFAULT '', ADD COLUMN b text;",
    '-- DROP TABLE route;',
  ])('lets %s through', (sql) => {
    expect(contractionsOf(sql)).toEqual([])
  })
})
