/* Functions with a history of bugs. Included first by every .c file of ours. */
#ifndef PL_BASE_BANNED_H
#define PL_BASE_BANNED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets atoi atol atof strncpy strncat
#endif
