import { sql } from 'kysely'
import type { Db } from '../database/db.ts'

/** A part of a budget that gateways keep requests out for. Instants are milliseconds since the epoch. */
export interface RefusedBudget {
  readonly budgetId: string
  readonly periodStartMs: number
  /** The ids of the budget's dimensions, with spaces between. */
  readonly bucket: string
  readonly sinceMs: number
}

const maxParts = 1_000

/**
 * Of the last minute, and of the budget as it is now. When it was refused says nothing of that: a gateway tells it a moment later, and may not
 * have heard of a change yet.
 */
export async function listRefusedBudgets(db: Db): Promise<RefusedBudget[]> {
  const { rows } = await sql<RefusedBudget>`
    select budget_id as "budgetId", extract(epoch from period_start)::float8 * 1000 as "periodStartMs", bucket,
      extract(epoch from greatest(refused_since, budget.updated_at))::float8 * 1000 as "sinceMs"
    from budget_bucket join budget on budget.id = budget_bucket.budget_id
    where refused_at > clock_timestamp() - interval '1 minute' and coalesce(refused_revision = budget.revision, refused_at > budget.updated_at)
    order by budget_id, bucket
    limit ${maxParts}`.execute(db)
  return rows
}
