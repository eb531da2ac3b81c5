import type { Generated } from 'kysely'
import type { BudgetAction, BudgetPeriod, LimitDimension } from '../../routing/limits/limit.ts'
import type { LimitSubjectColumns } from '../limit/tables.ts'

/** The columns of `migrations/0012_limits.sql`, as the driver returns and takes them. */
export interface BudgetTables {
  budget_lease: BudgetLeaseTable
  budget: BudgetTable
}

export interface BudgetTable extends LimitSubjectColumns {
  id: string
  revision: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
  per: LimitDimension[]
  /** USD, an exact decimal, as all amounts here. */
  amount: string
  period: BudgetPeriod
  time_zone: string
  warn_at: number[]
  on_exhausted: BudgetAction
  unpriced_reserve: string | null
  raise_period_start: Date | null
  raise_amount: string | null
}

/** The columns of `migrations/0019_budget_leases.sql` that are written from elsewhere. */
interface BudgetLeaseTable {
  spool_id: string
}
