/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_SLAB_H
#define _LINUX_SLAB_H

#include <stdlib.h>

#define kvzalloc_obj(object)	((__typeof__(object) *)calloc(1, sizeof(object)))
#define kvfree(p)		free(p)
#define kvfree_rcu(p, member)	free(p)

#endif
