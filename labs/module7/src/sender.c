// SPDX-License-Identifier: GPL-2.0
/*
 * sender [PORT [MESSAGE]]: sends one UDP datagram to 127.0.0.1.
 *
 * It says where in its memory the message lies, so that the address can be compared with what the kernel was given.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned short port = argc > 1 ? (unsigned short)atoi(argv[1]) : 9999;
	char message[64] = "HELLO_NETWORK";

	if (argc > 2)
		snprintf(message, sizeof(message), "%s", argv[2]);

	//@ todo
	//@ /*
	//@  * TODO 1: print "Sending from buffer at 0x..." (the address of message, %p).
	//@  * TODO 2: open a UDP socket.
	//@  * TODO 3: send the bytes of message, without the final 0, to 127.0.0.1:port.
	//@  *         Return 1 when a call fails.
	//@  */
	//@ printf("port %hu, message %s: nothing is sent yet\n", port, message);
	//@ return 1;
	//@ solution
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	size_t length = strlen(message);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0) {
		perror("socket");
		return 1;
	}
	printf("Sending from buffer at %p\n", (void *)message);
	if (sendto(fd, message, length, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)length) {
		perror("sendto");
		return 1;
	}
	close(fd);
	return 0;
	//@ end
}
