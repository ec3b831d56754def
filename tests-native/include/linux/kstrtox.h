/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_KSTRTOX_H
#define _LINUX_KSTRTOX_H

#include <linux/types.h>

/* As there are no kernel parameters, nothing calls it */
static inline int kstrtobool(const char *s, bool *result)
{
	*result = *s == '1';
	return 0;
}

#endif
