int probe(void)
{
	//@ todo
	//@ return 0;
	//@ end
	return 1;
	//@ end
}
