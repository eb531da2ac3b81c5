import type { RateLimitRow } from '../../storage/limit/read.ts'
import { builder } from '../schema/builder.ts'
import type { NodeRow } from '../kit/node-row.ts'

export const RateLimitRef = builder.objectRef<RateLimitRow>('RateLimit')

export const InstallationRef = builder.objectRef<NodeRow>('Installation')
