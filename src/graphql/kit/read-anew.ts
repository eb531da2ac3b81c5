import type { Plugin } from 'graphql-yoga'
import type { GraphQLContext } from './context.ts'
import { createLoaders } from './loaders.ts'

/** What is read from now on is the state of now, and not the one that the operation saw so far. */
export function readAnew(context: Pick<GraphQLContext, 'view' | 'db' | 'loaders'>): void {
  context.view.close()
  context.loaders = createLoaders(context.db)
}

/** Gives the connection of an operation's view back when the operation, or an event of a subscription, has been answered. */
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
