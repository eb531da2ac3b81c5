import type { Plugin } from 'graphql-yoga'
import type { GraphQLContext } from './context.ts'
import { createLoaders } from './loaders.ts'

/** Lets later reads of the operation see the current state instead of the snapshot used so far. */
export function readAnew(context: Pick<GraphQLContext, 'view' | 'db' | 'loaders'>): void {
  context.view.close()
  context.loaders = createLoaders(context.db)
}

/** Returns the database connection of an operation's view when the operation, or an event of a subscription, has been answered. */
export function useReadViews(): Plugin<GraphQLContext> {
  const close = (context: GraphQLContext) => context.view.close()
  return {
    onExecute: ({ args }) => ({ onExecuteDone: () => close(args.contextValue) }),
    onSubscribe: ({ args }) => ({
      onSubscribeResult() {
        close(args.contextValue)
        return { onNext: () => close(args.contextValue), onEnd: () => close(args.contextValue) }
      },
    }),
  }
}
