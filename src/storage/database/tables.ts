import type { ApiKeyTables } from '../api-key/tables.ts'
import type { AuditTables } from '../audit/tables.ts'
import type { BudgetTables } from '../budget/tables.ts'
import type { ChangeTables } from '../change/tables.ts'
import type { DeploymentTables } from '../deployment/tables.ts'
import type { GatewayTables } from '../gateway/tables.ts'
import type { LimitTables } from '../limit/tables.ts'
import type { ProviderTables } from '../provider/tables.ts'
import type { RouteTables } from '../route/tables.ts'
import type { SecretTables } from '../secret/tables.ts'
import type { TrafficTables } from '../traffic/tables.ts'
import type { UsageTables } from '../usage/tables.ts'
import type { UserTables } from '../user/tables.ts'

/** The columns of every table, as the driver returns and takes them: `migrations/` as types. */
export interface Tables
  extends
    ApiKeyTables,
    AuditTables,
    BudgetTables,
    ChangeTables,
    DeploymentTables,
    GatewayTables,
    LimitTables,
    ProviderTables,
    RouteTables,
    SecretTables,
    TrafficTables,
    UsageTables,
    UserTables {
  migration: MigrationTable
}

/** Which files of `migrations/` have been run, and what they said. Written by `migrate` only. */
interface MigrationTable {
  name: string
  checksum: string
  applied_at: Date
}
