import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

/** The labels that a backend outside the provider or deployment `ownId` has. */
export async function listTakenLabels(db: Db, labels: readonly string[], ownId: string): Promise<Set<string>> {
  const splits = labels.flatMap(splitsOf)
  const { rows } = await sql<{ label: string }>`
    select name as label from deployment where name = any(${labels}) and id <> ${ownId}
    union all
    select provider.name || '/' || provider_model.upstream_model
    from unnest(${splits.map(([name]) => name)}::text[], ${splits.map(([, model]) => model)}::text[]) as split (name, model)
    join provider on provider.name = split.name
    join provider_model on provider_model.provider_id = provider.id and provider_model.upstream_model = split.model
    where provider.id <> ${ownId}`.execute(db)
  return new Set(rows.map((row) => row.label))
}

/** The names of a provider and a model that give this label; there are several if it has several slashes. */
function splitsOf(label: string): [string, string][] {
  return [...label.matchAll(/\//g)].map(({ index }) => [label.slice(0, index), label.slice(index + 1)])
}
