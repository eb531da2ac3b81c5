import type { RouteRow } from '../../storage/route/write.ts'
import { builder } from './builder.ts'
import type { NodeRow } from '../kit/node-row.ts'

export const NodeRef = builder.interfaceRef<NodeRow>('Node')

export const VersionedRef = builder.interfaceRef<Pick<RouteRow, 'revision' | 'created_at' | 'updated_at'>>('Versioned')
