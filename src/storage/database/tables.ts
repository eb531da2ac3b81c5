import type { BudgetTables } from '../budget/tables.ts'
import type { ConfigurationTables } from '../config/tables.ts'
import type { LimitTables } from '../limit/tables.ts'
import type { TrafficTables } from '../traffic/tables.ts'
import type { UsageTables } from '../usage/tables.ts'

/** The columns of every table, as the driver returns and takes them. `migrations/` is the source; this file says it in types. */
export interface Tables extends ConfigurationTables, LimitTables, BudgetTables, TrafficTables, UsageTables {
  migration: MigrationTable
}

/** Which files of `migrations/` have been run, and what they said. Written by `migrate` only. */
interface MigrationTable {
  name: string
  checksum: string
  applied_at: Date
}
