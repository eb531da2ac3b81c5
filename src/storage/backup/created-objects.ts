import type { Migration } from '../database/migrate.ts'

/** What can be named in a `DROP`, and the names that migrations have made. */
export interface CreatedObjects {
  readonly tables: ReadonlySet<string>
  readonly routines: ReadonlySet<string>
  readonly types: ReadonlySet<string>
  readonly domains: ReadonlySet<string>
}

const statement =
  /\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:UNLOGGED\s+)?(TABLE|FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN)\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z_][a-z0-9_]*)/gi

/**
 * The names of the objects that these migrations create, read from their text, including those that a later migration drops. Objects of
 * other software in the same database are not touched.
 */
export function createdObjects(migrations: readonly Pick<Migration, 'sql'>[]): CreatedObjects {
  const found = migrations.flatMap(({ sql }) => [...withoutComments(sql).matchAll(statement)])
  const named = (...kinds: string[]) =>
    new Set(found.filter(([, kind]) => kinds.includes(kind!.toUpperCase())).map(([, , name]) => name!.toLowerCase()))
  return {
    tables: named('TABLE'),
    routines: named('FUNCTION', 'PROCEDURE', 'AGGREGATE'),
    types: named('TYPE'),
    domains: named('DOMAIN'),
  }
}

function withoutComments(sql: string): string {
  return sql.replaceAll(/--[^\n]*/g, '')
}
