import type { UsageRecord } from '../../routing/usage/record.ts'
import { builder } from '../schema/builder.ts'

export const RequestLogRef = builder.objectRef<UsageRecord>('RequestLog')
