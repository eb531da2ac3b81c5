import { sql } from 'kysely'
import type { BudgetAnswer, BudgetLeaseRequest } from '../../routing/limits/budget-lease.ts'
import { addDecimals } from '../../routing/usage/decimal.ts'
import type { Budget } from '../../routing/limits/limit.ts'
import type { Db, Tx } from '../database/db.ts'
import { spentInBuckets } from './spent.ts'

/** The gateway of a lease round. */
export interface BudgetLessee {
  readonly gatewayId: string
  /** Of its usage records. */
  readonly spoolId: string
}

/**
 * One lease round of a gateway for many budgets, each bucket at most once. The gateway may use a grant for `leaseMs`. Returns an answer
 * for each request, in their order.
 *
 * Invariant: what was spent and what gateways hold never exceed the budget together, unless requests cost more than was reserved for
 * them. A gateway holds the cost of a request until its record is in the database, and the sums are read after the bucket is locked: so
 * no record is missed, but one may count twice for a moment.
 */
export async function leaseBudgets(
  db: Db,
  lessee: BudgetLessee,
  asks: readonly BudgetLeaseRequest[],
  leaseMs: number,
): Promise<BudgetAnswer[]> {
  return await db.transaction().execute(async (tx) => {
    await lockBuckets(tx, asks)
    const spent = await readSpent(tx, asks)
    const rows = asks.map((ask, number) => ({ ...rowOf(ask, number), spent: spent.get(ask) }))
    return await grant(tx, lessee, rows, leaseMs)
  })
}

/** One statement for each budget and period, however many parts of it are asked for. */
async function readSpent(
  tx: Tx,
  asks: readonly BudgetLeaseRequest[],
): Promise<ReadonlyMap<BudgetLeaseRequest, string>> {
  const spent = new Map<BudgetLeaseRequest, string>()
  const sameBudget = Map.groupBy(asks, ({ budget, periodStartMs }) => `${budget.id} ${periodStartMs}`)
  for (const parts of sameBudget.values()) {
    const costs = await spentInBuckets(tx, { ...parts[0]!, buckets: parts.map(({ bucket }) => bucket) })
    for (const ask of parts) spent.set(ask, costs.get(ask.bucket)!)
  }
  return spent
}

/** Locks the buckets in the order of their keys, so that concurrent gateways cannot deadlock. */
async function lockBuckets(tx: Tx, asks: readonly BudgetLeaseRequest[]): Promise<void> {
  const rows = asks.map(rowOf)
  await sql`
    INSERT INTO budget_bucket AS b (budget_id, bucket, period_start, turn_at, refused_at, refused_since, refused_revision)
    SELECT budget_id, bucket, period_start, now, refused_at, refused_at, CASE WHEN has_refused THEN revision END
    FROM jsonb_to_recordset(${JSON.stringify(rows)})
      AS a (budget_id text, bucket text, period_start timestamptz, revision integer, has_refused boolean),
      clock_timestamp() AS now, LATERAL (SELECT CASE WHEN has_refused THEN now END AS refused_at) AS refusal
    ORDER BY budget_id COLLATE "C", bucket COLLATE "C", period_start
    ON CONFLICT (budget_id, bucket, period_start) DO UPDATE SET turn_at = excluded.turn_at,
      refused_at = coalesce(excluded.refused_at, b.refused_at),
      refused_since = CASE WHEN excluded.refused_at IS NULL OR excluded.refused_at < b.refused_at + interval '1 minute'
        THEN coalesce(b.refused_since, excluded.refused_since) ELSE excluded.refused_since END,
      -- A gateway that has not heard of a change yet says nothing of the budget as it is now.
      refused_revision = greatest(b.refused_revision, excluded.refused_revision)`.execute(tx)
}

function rowOf(ask: BudgetLeaseRequest, number: number) {
  return {
    number,
    budget_id: ask.budget.id,
    bucket: ask.bucket,
    period_start: new Date(ask.periodStartMs),
    revision: ask.budget.revision,
    allowed: allowedIn(ask.budget, ask.periodStartMs),
    held: ask.held,
    in_use: ask.inUse,
    need: ask.need,
    spare: ask.spare,
    has_refused: ask.hasRefused,
  }
}

/** USD, with what it was raised by. */
function allowedIn({ amount, raise }: Budget, periodStartMs: number): string {
  return raise?.periodStartMs === periodStartMs ? addDecimals(amount, raise.amount) : amount
}

async function grant(
  tx: Tx,
  { gatewayId, spoolId }: BudgetLessee,
  rows: readonly object[],
  leaseMs: number,
): Promise<BudgetAnswer[]> {
  const { rows: answers } = await sql<BudgetAnswer>`
    WITH ask AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}) AS a (number integer, budget_id text, bucket text,
        period_start timestamptz, allowed numeric, spent numeric, held numeric, in_use numeric, need numeric, spare numeric)
    ), room AS (
      SELECT ask.*, floor(allowed * 1e9) - ceil(spent * 1e9) - held - coalesce((
        SELECT sum(l.held) FROM budget_lease AS l
        WHERE l.budget_id = ask.budget_id AND l.bucket = ask.bucket AND l.period_start = ask.period_start
          AND l.gateway_id <> ${gatewayId} AND ${isHeld}
      ), 0) AS room
      FROM ask
    ), granted AS (
      SELECT *, least(greatest(0, room), need) + least(greatest(0, floor((room - need) / 2)), spare) AS granted FROM room
    ), lease AS (
      INSERT INTO budget_lease AS l (budget_id, bucket, period_start, gateway_id, spool_id, held, in_use, expires_at)
      SELECT budget_id, bucket, period_start, ${gatewayId}, ${spoolId}, held + granted, in_use,
        clock_timestamp() + make_interval(secs => ${leaseMs / 1000})
      FROM granted
      ORDER BY budget_id COLLATE "C", bucket COLLATE "C", period_start
      ON CONFLICT (budget_id, bucket, period_start, gateway_id) DO UPDATE
        SET held = excluded.held, in_use = excluded.in_use, expires_at = excluded.expires_at, spool_id = excluded.spool_id
    )
    SELECT granted::float8 AS granted, (room - granted)::float8 AS free FROM granted ORDER BY number`.execute(tx)
  return answers
}

/** A lease still counts for 10 minutes after its end, while records of its requests may be on their way. */
const isHeld = sql<boolean>`(l.expires_at > clock_timestamp() OR (
  l.expires_at > clock_timestamp() - interval '10 minutes' AND EXISTS (
    SELECT FROM usage_progress AS p
    WHERE p.spool_id = l.spool_id AND p.forgotten_at IS NULL AND p.complete_until <= l.expires_at)))`

/** What is reserved for requests under way, of one part of a budget. */
export interface BudgetReservations {
  /** The ids of the budget's dimensions, in their order; `-` where requests had none. Empty: it has no dimensions. */
  readonly ids: readonly string[]
  /** USD, an exact decimal. */
  readonly reserved: string
}

/** What gateways hold of a budget in the period that begins at `periodStartMs`, where they hold anything. */
export async function listBudgetReserved(
  db: Db,
  budgetId: string,
  periodStartMs: number,
): Promise<BudgetReservations[]> {
  const { rows } = await sql<{ bucket: string; reserved: string }>`
    SELECT l.bucket, trim_scale(sum(l.in_use) / 1e9)::text AS reserved FROM budget_lease AS l
    WHERE l.budget_id = ${budgetId} AND l.period_start = ${new Date(periodStartMs)} AND l.in_use > 0 AND ${isHeld}
    GROUP BY l.bucket`.execute(db)
  return rows.map(({ bucket, reserved }) => ({ ids: bucket === '' ? [] : bucket.split(' '), reserved }))
}

/** Deletes obsolete rows: leases that ended long ago, and buckets that were not used for a day. */
export async function sweepBudgetBuckets(db: Db): Promise<void> {
  await sql`DELETE FROM budget_lease WHERE expires_at < clock_timestamp() - interval '1 hour'`.execute(db)
  await sql`
    WITH gone AS (
      SELECT budget_id, bucket, period_start FROM budget_bucket
      WHERE turn_at < clock_timestamp() - interval '1 day'
      ORDER BY budget_id, bucket, period_start
      FOR UPDATE SKIP LOCKED
    )
    DELETE FROM budget_bucket AS b USING gone
    WHERE b.budget_id = gone.budget_id AND b.bucket = gone.bucket AND b.period_start = gone.period_start`.execute(db)
}
